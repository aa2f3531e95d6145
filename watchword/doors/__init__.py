"""ASK: each door turns a protocol into questions and answers into that protocol; nothing else."""
