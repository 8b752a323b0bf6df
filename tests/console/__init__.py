"""One hub and one browser for this folder (see conftest.py): its fixtures end where the folder ends, so it is a package."""
