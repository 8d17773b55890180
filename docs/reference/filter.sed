# Makes Doxygen see what the headers say once for all, or in the line of a member without a mark of Doxygen's.
/^struct evchan_proto_writer {/,/^};/ {
	s|;[ \t]*\(/\*.*\)*$|; /**< the library's own */|
}
s|^\tsize_t size;$|\tsize_t size; /**< Of this struct; its _INIT macro sets it, or its maker does. */|
s|^#define EVCHAN_[A-Z_]*_INIT|/** Initialises the struct of this name: `size`, and zeros. */\n&|
s|\([;,{]\)\([ \t]*\)/\* |\1\2/**< |
