// The guest's kernel does not rename an interface that is up: there it goes down for a moment.
import '../kernel/names.test.ts';
