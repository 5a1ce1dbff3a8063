"""Tools at work in a run: what a model asks for, who allows it, what is done, what is on record.

How a tool of each kind is run is left to the room `tools`, what is sent to the API to `calls`.

    dialogue   the turns of one prompt step
    offering   the tools that it offers, those of servers included
    pinning    what servers say of them, which a person agrees to once it has changed
    orders     what one call asks for, and why it is not done
    answering  the calls of one turn: asked about, run in order, on record
    questions  what people are asked, and what they said
    running    one call, by the kind of its tool
    nested     a workflow as a tool
    toolbox    servers and computers that live longer than one call
    verb       `call:`, one tool without a model
"""
