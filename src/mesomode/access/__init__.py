"""How the network is reached: nothing here decides what is computed."""
