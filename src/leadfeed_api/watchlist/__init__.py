"""Which leads a user follows. Watching a lead brings its moments into the user's feed; unwatching takes them out."""
