"""`python -m avatarmmc_blender`: heads from the command line."""

import sys

from .cli import main

sys.exit(main())
