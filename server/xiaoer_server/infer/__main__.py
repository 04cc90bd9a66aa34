"""`python -m xiaoer_server.infer`."""

import sys

from .server import main

sys.exit(main())
