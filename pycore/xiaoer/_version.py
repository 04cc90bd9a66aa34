"""The version of the `xiaoer` distribution; `xiaoer_native` must carry the same."""

__version__ = "0.1.0"
