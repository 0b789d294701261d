"""The calculator behind `busyhour erlang`: questions in options, answers as text or JSON."""
