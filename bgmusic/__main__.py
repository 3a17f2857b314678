"""``python -m bgmusic`` is the command ``bgmusic``, also where the environment's scripts are not on the path."""

from bgmusic.cli.main import main

if __name__ == "__main__":
    main()
