"""`rlmem bench`: how fast this machine plays, acts, learns and trains, how much memory it takes, and how both scale."""
