"""Files and pages of others, made into articles. What is in them is material: nothing of it is run or obeyed."""
