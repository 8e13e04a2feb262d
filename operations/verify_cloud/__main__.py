"""`python -m operations.verify_cloud --project PROJECT`."""

from operations.verify_cloud.command import main

if __name__ == "__main__":
    main()
