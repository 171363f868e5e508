#include "go_asm.h"
#include "textflag.h"
#include "steps_amd64.h"

// Each function of RFC 1321 and each rotation is one instruction, and there are
// registers for a second set of eight lanes, whose steps fill the time in which those
// of the first wait for each other. (Z registers would hold both sets, and take longer.)

// MIX ends a step whose function value is in t: a = b + rotl(a + t + word + k, s).
#define MIX(a, b, word, k, s, off, t, u) \
	VPBROADCASTD (work_k+4*(k))(DI), u \
	VPADDD (work_words+64*(word)+off)(DI), u, u \
	VPADDD u, a, a \
	VPADDD t, a, a \
	VPROLD $s, a, a \
	VPADDD b, a, a

// TABLE is a function given by its truth table: bit 4d+2c+b.
#define TABLE(b, c, d, bits, t) \
	VMOVDQA32 d, t \
	VPTERNLOGD $bits, b, c, t

// The four functions of RFC 1321, section 3.4: b ? c : d, d ? b : c, b ^ c ^ d and
// c ^ (b | ^d).
#define F(a, b, c, d, word, k, s, off, t, u) \
	TABLE(b, c, d, 0xd8, t) \
	MIX(a, b, word, k, s, off, t, u)

#define G(a, b, c, d, word, k, s, off, t, u) \
	TABLE(b, c, d, 0xac, t) \
	MIX(a, b, word, k, s, off, t, u)

#define H(a, b, c, d, word, k, s, off, t, u) \
	TABLE(b, c, d, 0x96, t) \
	MIX(a, b, word, k, s, off, t, u)

#define I(a, b, c, d, word, k, s, off, t, u) \
	TABLE(b, c, d, 0x63, t) \
	MIX(a, b, word, k, s, off, t, u)

// Four steps on the first eight lanes in Y0-Y3 and on the others in Y16-Y19.
#define F4(w0, w1, w2, w3, k) \
	F(Y0, Y1, Y2, Y3, w0, k, 7, 0, Y4, Y5) \
	F(Y3, Y0, Y1, Y2, w1, k+1, 12, 0, Y4, Y5) \
	F(Y2, Y3, Y0, Y1, w2, k+2, 17, 0, Y4, Y5) \
	F(Y1, Y2, Y3, Y0, w3, k+3, 22, 0, Y4, Y5) \
	F(Y16, Y17, Y18, Y19, w0, k, 7, 32, Y20, Y21) \
	F(Y19, Y16, Y17, Y18, w1, k+1, 12, 32, Y20, Y21) \
	F(Y18, Y19, Y16, Y17, w2, k+2, 17, 32, Y20, Y21) \
	F(Y17, Y18, Y19, Y16, w3, k+3, 22, 32, Y20, Y21)

#define G4(w0, w1, w2, w3, k) \
	G(Y0, Y1, Y2, Y3, w0, k, 5, 0, Y4, Y5) \
	G(Y3, Y0, Y1, Y2, w1, k+1, 9, 0, Y4, Y5) \
	G(Y2, Y3, Y0, Y1, w2, k+2, 14, 0, Y4, Y5) \
	G(Y1, Y2, Y3, Y0, w3, k+3, 20, 0, Y4, Y5) \
	G(Y16, Y17, Y18, Y19, w0, k, 5, 32, Y20, Y21) \
	G(Y19, Y16, Y17, Y18, w1, k+1, 9, 32, Y20, Y21) \
	G(Y18, Y19, Y16, Y17, w2, k+2, 14, 32, Y20, Y21) \
	G(Y17, Y18, Y19, Y16, w3, k+3, 20, 32, Y20, Y21)

#define H4(w0, w1, w2, w3, k) \
	H(Y0, Y1, Y2, Y3, w0, k, 4, 0, Y4, Y5) \
	H(Y3, Y0, Y1, Y2, w1, k+1, 11, 0, Y4, Y5) \
	H(Y2, Y3, Y0, Y1, w2, k+2, 16, 0, Y4, Y5) \
	H(Y1, Y2, Y3, Y0, w3, k+3, 23, 0, Y4, Y5) \
	H(Y16, Y17, Y18, Y19, w0, k, 4, 32, Y20, Y21) \
	H(Y19, Y16, Y17, Y18, w1, k+1, 11, 32, Y20, Y21) \
	H(Y18, Y19, Y16, Y17, w2, k+2, 16, 32, Y20, Y21) \
	H(Y17, Y18, Y19, Y16, w3, k+3, 23, 32, Y20, Y21)

#define I4(w0, w1, w2, w3, k) \
	I(Y0, Y1, Y2, Y3, w0, k, 6, 0, Y4, Y5) \
	I(Y3, Y0, Y1, Y2, w1, k+1, 10, 0, Y4, Y5) \
	I(Y2, Y3, Y0, Y1, w2, k+2, 15, 0, Y4, Y5) \
	I(Y1, Y2, Y3, Y0, w3, k+3, 21, 0, Y4, Y5) \
	I(Y16, Y17, Y18, Y19, w0, k, 6, 32, Y20, Y21) \
	I(Y19, Y16, Y17, Y18, w1, k+1, 10, 32, Y20, Y21) \
	I(Y18, Y19, Y16, Y17, w2, k+2, 15, 32, Y20, Y21) \
	I(Y17, Y18, Y19, Y16, w3, k+3, 21, 32, Y20, Y21)

// func compressAVX512(w *work, blocks int)
TEXT ·compressAVX512(SB), NOSPLIT, $0-16
	START

next:
	LOAD(0, 0)
	TRANSPOSE(0, 0)
	LOAD(0, 32)
	TRANSPOSE(0, 8)
	LOAD(8, 0)
	TRANSPOSE(8, 0)
	LOAD(8, 32)
	TRANSPOSE(8, 8)
	VMOVDQU32 (work_state+0)(DI), Y0
	VMOVDQU32 (work_state+64)(DI), Y1
	VMOVDQU32 (work_state+128)(DI), Y2
	VMOVDQU32 (work_state+192)(DI), Y3
	VMOVDQU32 (work_state+32)(DI), Y16
	VMOVDQU32 (work_state+96)(DI), Y17
	VMOVDQU32 (work_state+160)(DI), Y18
	VMOVDQU32 (work_state+224)(DI), Y19
	STEPS
	VPADDD (work_state+0)(DI), Y0, Y0
	VPADDD (work_state+64)(DI), Y1, Y1
	VPADDD (work_state+128)(DI), Y2, Y2
	VPADDD (work_state+192)(DI), Y3, Y3
	VPADDD (work_state+32)(DI), Y16, Y16
	VPADDD (work_state+96)(DI), Y17, Y17
	VPADDD (work_state+160)(DI), Y18, Y18
	VPADDD (work_state+224)(DI), Y19, Y19
	VMOVDQU32 Y0, (work_state+0)(DI)
	VMOVDQU32 Y1, (work_state+64)(DI)
	VMOVDQU32 Y2, (work_state+128)(DI)
	VMOVDQU32 Y3, (work_state+192)(DI)
	VMOVDQU32 Y16, (work_state+32)(DI)
	VMOVDQU32 Y17, (work_state+96)(DI)
	VMOVDQU32 Y18, (work_state+160)(DI)
	VMOVDQU32 Y19, (work_state+224)(DI)
	NEXT
	JNZ  next
	VZEROUPPER
	RET
