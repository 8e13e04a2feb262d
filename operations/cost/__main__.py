"""`python -m operations.cost STACK`."""

from operations.cost.command import main

if __name__ == "__main__":
    main()
