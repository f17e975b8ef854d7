"""Who may do what with the server, how much of it, and the log of that.

settings -> door: headers -> identity -> may(action, name)
"""
