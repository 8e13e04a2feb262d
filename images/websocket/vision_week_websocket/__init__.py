"""The real-time service of Vision Week: passes messages between everyone who is connected, to whichever pod."""
