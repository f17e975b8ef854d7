"""What the user asks for: the file `lamella.toml`, and the same as Python values.

    lamella.toml --tomllib--> tables --reader--> model <-- Python
                                                  |
                                                  +--> schema --> reference page

Every key is declared once, in `model`: its Python type, how it is read and checked, and its description. The reader,
the schema for editors and the reference page all follow from that.
"""
