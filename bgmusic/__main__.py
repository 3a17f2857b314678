"""``python -m bgmusic`` is the command ``bgmusic``, also where the environment's scripts are not on the path."""

from bgmusic.cli.start import start

if __name__ == "__main__":
    start()
