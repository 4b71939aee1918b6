"""The paper's figures and tables, each made by one command: `rlmem reproduce ID`.

Figures 1 to 3 and 8 of the paper are drawings that explain the method and the tasks; nothing was measured for them, so
that there is nothing to reproduce.
"""
