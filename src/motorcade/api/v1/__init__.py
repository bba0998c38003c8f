"""Version 1 of the API; a module's path below here is its URL's, without the parameters."""
