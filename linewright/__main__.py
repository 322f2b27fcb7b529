"""`python -m linewright` and the `linewright` command."""

from linewright.cli.app import main

if __name__ == "__main__":
    main()
