"""What helps on rare classes, and by how much: the study whose protocol is docs/study/protocol.md."""
