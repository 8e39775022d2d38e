"""What the pages of the app share; the pages themselves are in `apps/views/`."""
