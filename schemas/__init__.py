"""What can be said: the catalogue of events. Importing the package registers every event type."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"schemas.{_module.name}")
