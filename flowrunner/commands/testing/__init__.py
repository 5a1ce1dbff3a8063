"""`test`: the cases of files of tests, each a run in a folder of its own, and what is expected.

command      the files, their cases at once, the end of it all
cases        one case as a run, and what it left behind
scripting    what a script of replies answers in the place of a model
standing_in  what a case says in the place of tools and programs
judging      what came out against what is expected
claims       what a model says of a result, for those who ask for it
covering     what of a workflow no case has reached
updating     literals of a file, written anew
telling      what people see, and JUnit
"""
