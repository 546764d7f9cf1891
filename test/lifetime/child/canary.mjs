// Loads the addon with the bug, and ends by itself.
process.dlopen({ exports: {} }, process.argv[2]);
process.stdout.write('loaded\n');
