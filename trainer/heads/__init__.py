"""What a frozen backbone says of every record, kept once; and the heads that are fitted to it in seconds."""
