"""The folder of models: each one a folder of its own, made whole elsewhere and moved into its place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .manifest import NAME, Manifest, ModelRefused, check_name, read, verified
from .recipes import RECIPES

__all__ = ["Manifest", "ModelRefused", "ModelStore"]


class ModelStore:
    """Models under one folder, which need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Where a model of this name is, or would be.

        Raises:
            ModelRefused: that is no name.
        """
        return self.folder / check_name(name)

    def has(self, name: str) -> bool:
        """Whether a model of this name is there; its files are not looked at."""
        return (self.path(name) / NAME).is_file()

    def list(self) -> list[tuple[str, Manifest | str]]:
        """(name, manifest) of what is there, or (name, what is wrong with it); hashes are not compared."""
        found: list[tuple[str, Manifest | str]] = []
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            if path.is_dir() and not path.name.startswith("."):
                try:
                    found.append((path.name, read(path)))
                except ModelRefused as error:
                    found.append((path.name, str(error)))
        return found

    def open(self, name: str) -> tuple[Path, Manifest]:
        """A model's folder, all its files compared with their hashes.

        Raises:
            ModelRefused: it is not there, or not as its manifest says.
        """
        path = self.path(name)
        return path, verified(path)

    def import_(self, source: Path) -> Manifest:
        """Copy a model's folder in; one of the same name is replaced.

        Raises:
            ModelRefused: it is not as its manifest says.
        """
        manifest = verified(source)
        with self._place(manifest.name) as folder:
            for name in (NAME, *manifest.files):
                shutil.copyfile(source / name, folder / name)
            verified(folder)  # what was copied, not what was looked at before
        return manifest

    def pull(self, name: str, progress: Callable[[str], None] = lambda line: None) -> Manifest:
        """Make a model that is known by name, from the package that carries it.

        Args:
            progress: Told what is being done, a line each.

        Raises:
            ModelRefused: nobody knows it, its package is not installed, or it carries something else.
        """
        recipe = RECIPES.get(check_name(name))
        if recipe is None:
            raise ModelRefused(f"no recipe for {name!r}; known: {', '.join(RECIPES)}")
        with self._place(name) as folder:
            recipe(folder, progress)
            return verified(folder)

    def remove(self, name: str) -> bool:
        """Delete a model; whether it was there. Of a link only the link goes.

        Raises:
            ModelRefused: that is no name, or it cannot be deleted.
        """
        path = self.path(name)
        try:
            if path.is_symlink():
                path.unlink()
                return True
            if not path.is_dir():
                return False
            shutil.rmtree(path)
        except OSError as error:
            raise ModelRefused(f"{path}: {error.strerror or error}") from error
        return True

    @contextmanager
    def _place(self, name: str) -> Iterator[Path]:
        """A folder to fill that becomes the model's if nothing is raised."""
        place = self.path(name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=".", ignore_cleanup_errors=True) as folder:
                filling = Path(folder) / name
                filling.mkdir()
                yield filling
                old = Path(folder) / "old"
                if place.exists():
                    place.rename(old)
                filling.rename(place)
        except OSError as error:
            raise ModelRefused(f"{place}: {error.strerror or error}") from error
