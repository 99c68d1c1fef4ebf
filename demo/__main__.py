"""``python manage.py demo``, or ``python -m demo``."""

import sys

from demo.story import main

sys.exit(main(sys.argv[1:]))
