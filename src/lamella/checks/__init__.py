"""What can be found out of an image before it runs: pure questions to lists of files.

entries --elf--> libraries that programs need          --libraries--> those that nobody has
wheels  --metadata--> what packages require, and scripts call   --python--> what is not there
"""
