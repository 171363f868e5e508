#include "go_asm.h"
#include "textflag.h"
#include "steps_amd64.h"

// MIX ends a step whose function value is in Y4: a = b + rotl(a + Y4 + word + k, s).
#define MIX(a, b, word, k, s) \
	VPBROADCASTD (work_k+4*(k))(DI), Y5 \
	VPADDD (work_words+64*(word))(DI), Y5, Y5 \
	VPADDD Y5, a, a \
	VPADDD Y4, a, a \
	VPSLLD $s, a, Y5 \
	VPSRLD $(32-s), a, a \
	VPOR Y5, a, a \
	VPADDD b, a, a

// The four functions of RFC 1321, section 3.4.
#define F(a, b, c, d, word, k, s) \
	VPXOR c, d, Y4 \
	VPAND b, Y4, Y4 \
	VPXOR d, Y4, Y4 \
	MIX(a, b, word, k, s)

#define G(a, b, c, d, word, k, s) \
	VPXOR b, c, Y4 \
	VPAND d, Y4, Y4 \
	VPXOR c, Y4, Y4 \
	MIX(a, b, word, k, s)

#define H(a, b, c, d, word, k, s) \
	VPXOR c, d, Y4 \
	VPXOR b, Y4, Y4 \
	MIX(a, b, word, k, s)

#define I(a, b, c, d, word, k, s) \
	VPXOR Y7, d, Y4 \
	VPOR b, Y4, Y4 \
	VPXOR c, Y4, Y4 \
	MIX(a, b, word, k, s)

// Four steps on eight lanes, one to each element of Y0-Y3; Y7 is all ones.
#define F4(w0, w1, w2, w3, k) \
	F(Y0, Y1, Y2, Y3, w0, k, 7) \
	F(Y3, Y0, Y1, Y2, w1, k+1, 12) \
	F(Y2, Y3, Y0, Y1, w2, k+2, 17) \
	F(Y1, Y2, Y3, Y0, w3, k+3, 22)

#define G4(w0, w1, w2, w3, k) \
	G(Y0, Y1, Y2, Y3, w0, k, 5) \
	G(Y3, Y0, Y1, Y2, w1, k+1, 9) \
	G(Y2, Y3, Y0, Y1, w2, k+2, 14) \
	G(Y1, Y2, Y3, Y0, w3, k+3, 20)

#define H4(w0, w1, w2, w3, k) \
	H(Y0, Y1, Y2, Y3, w0, k, 4) \
	H(Y3, Y0, Y1, Y2, w1, k+1, 11) \
	H(Y2, Y3, Y0, Y1, w2, k+2, 16) \
	H(Y1, Y2, Y3, Y0, w3, k+3, 23)

#define I4(w0, w1, w2, w3, k) \
	I(Y0, Y1, Y2, Y3, w0, k, 6) \
	I(Y3, Y0, Y1, Y2, w1, k+1, 10) \
	I(Y2, Y3, Y0, Y1, w2, k+2, 15) \
	I(Y1, Y2, Y3, Y0, w3, k+3, 21)

// func compressAVX2(w *work, blocks int)
TEXT ·compressAVX2(SB), NOSPLIT, $0-16
	START

next:
	LOAD(0, 0)
	TRANSPOSE(0, 0)
	LOAD(0, 32)
	TRANSPOSE(0, 8)
	VMOVDQU (work_state+0)(DI), Y0
	VMOVDQU (work_state+64)(DI), Y1
	VMOVDQU (work_state+128)(DI), Y2
	VMOVDQU (work_state+192)(DI), Y3
	VPCMPEQD Y7, Y7, Y7
	STEPS
	VPADDD (work_state+0)(DI), Y0, Y0
	VPADDD (work_state+64)(DI), Y1, Y1
	VPADDD (work_state+128)(DI), Y2, Y2
	VPADDD (work_state+192)(DI), Y3, Y3
	VMOVDQU Y0, (work_state+0)(DI)
	VMOVDQU Y1, (work_state+64)(DI)
	VMOVDQU Y2, (work_state+128)(DI)
	VMOVDQU Y3, (work_state+192)(DI)
	NEXT
	JNZ  next
	VZEROUPPER
	RET
