/* The files of models/embedded/ as read-only data of the program; embedded_model.cc gives them names. */
        .section .rodata
        .macro  embed name, file
        .global rerank_embedded_\name
        .global rerank_embedded_\name\()_end
        .balign 64
rerank_embedded_\name:
        .incbin "\file"
rerank_embedded_\name\()_end:
        .byte   0
        .endm

        embed config, config.json
        embed weights, model.safetensors
        embed tokenizer, tokenizer.json
        embed tokenizer_config, tokenizer_config.json

        .section .note.GNU-stack, "", %progbits
