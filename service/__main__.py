"""``python -m service``: the service alone, for an installation without the simulator."""

import argparse
import sys

from service.server import serve_from_environment


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    arguments = parser.parse_args()
    return serve_from_environment(arguments.host, arguments.port)


if __name__ == "__main__":
    sys.exit(main())
