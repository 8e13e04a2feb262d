"""`python -m operations.scan IMAGE…`."""

from operations.scan.command import main

if __name__ == "__main__":
    main()
