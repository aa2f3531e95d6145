"""Voice calls: the IVR state machine, its prompts, and speech synthesis."""
