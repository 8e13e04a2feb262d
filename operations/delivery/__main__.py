"""`python -m operations.delivery ENV ACTION`."""

from operations.delivery.command import main

if __name__ == "__main__":
    main()
