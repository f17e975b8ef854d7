"""What can be found out about an image before it runs: pure functions of lists of files.

entries --elf--> libraries that programs need          --libraries--> those that are missing
wheels  --metadata--> what packages require, and scripts call   --python--> what is missing
"""
