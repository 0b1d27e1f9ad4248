"""What a rep has dealt with: moments marked read, people and types muted for a while.

Marks and mutes are the user's own and change nobody's inbox: a muted moment is hidden, not lost.
"""
