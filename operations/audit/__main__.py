"""`python -m operations.audit ACTION STACK`."""

from operations.audit.command import main

if __name__ == "__main__":
    main()
