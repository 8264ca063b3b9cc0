"""Generated programs: issue programs, retire programs, and their linking."""
