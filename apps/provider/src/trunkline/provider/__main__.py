"""`python -m trunkline.provider` is the command `trunkline`."""

from trunkline.provider.cli import main

if __name__ == "__main__":
    main()
