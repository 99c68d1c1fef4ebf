"""``python manage.py load orders``, or ``python -m load orders``."""

import sys

from load.command import main

sys.exit(main(sys.argv[1:]))
