"""`python -m snndeploy` is the command line."""

from snndeploy.cli import main

if __name__ == "__main__":
    main()
