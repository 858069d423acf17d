"""Hidden Markov models of words: left-to-right chains of states that give off frames, the way before networks."""
