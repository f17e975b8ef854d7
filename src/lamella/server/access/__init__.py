"""Who may do what with the server, how much of it, and what is written down of that.

settings -> door: headers -> identity -> may(action, name)
"""
