// The compression function of MD5 (RFC 1321) on eight messages at once, one to
// each 32-bit element of the AVX2 registers.

#include "textflag.h"

// Stack: the 16 words of a block, transposed: word w of all lanes at w*32.
// DI state, SI data pointers, CX offset of the block in them, DX blocks left,
// R8 constants, Y6 all ones. Y0-Y3 hold a, b, c, d.

// LOAD takes 32 bytes of each lane, at off beyond the block's start.
#define LOAD(off) \
	MOVQ 0(SI), R9 \
	VMOVDQU off(R9)(CX*1), Y8 \
	MOVQ 8(SI), R9 \
	VMOVDQU off(R9)(CX*1), Y9 \
	MOVQ 16(SI), R9 \
	VMOVDQU off(R9)(CX*1), Y10 \
	MOVQ 24(SI), R9 \
	VMOVDQU off(R9)(CX*1), Y11 \
	MOVQ 32(SI), R9 \
	VMOVDQU off(R9)(CX*1), Y12 \
	MOVQ 40(SI), R9 \
	VMOVDQU off(R9)(CX*1), Y13 \
	MOVQ 48(SI), R9 \
	VMOVDQU off(R9)(CX*1), Y14 \
	MOVQ 56(SI), R9 \
	VMOVDQU off(R9)(CX*1), Y15

// TRANSPOSE turns eight rows of words in Y8-Y15 into columns and stores them from
// word first on.
#define TRANSPOSE(first) \
	VPUNPCKLDQ Y9, Y8, Y0 \
	VPUNPCKHDQ Y9, Y8, Y1 \
	VPUNPCKLDQ Y11, Y10, Y2 \
	VPUNPCKHDQ Y11, Y10, Y3 \
	VPUNPCKLDQ Y13, Y12, Y4 \
	VPUNPCKHDQ Y13, Y12, Y5 \
	VPUNPCKLDQ Y15, Y14, Y6 \
	VPUNPCKHDQ Y15, Y14, Y7 \
	VPUNPCKLQDQ Y2, Y0, Y8 \
	VPUNPCKHQDQ Y2, Y0, Y9 \
	VPUNPCKLQDQ Y3, Y1, Y10 \
	VPUNPCKHQDQ Y3, Y1, Y11 \
	VPUNPCKLQDQ Y6, Y4, Y12 \
	VPUNPCKHQDQ Y6, Y4, Y13 \
	VPUNPCKLQDQ Y7, Y5, Y14 \
	VPUNPCKHQDQ Y7, Y5, Y15 \
	VPERM2I128 $0x20, Y12, Y8, Y0 \
	VMOVDQU Y0, ((first+0)*32)(SP) \
	VPERM2I128 $0x31, Y12, Y8, Y1 \
	VMOVDQU Y1, ((first+4)*32)(SP) \
	VPERM2I128 $0x20, Y13, Y9, Y0 \
	VMOVDQU Y0, ((first+1)*32)(SP) \
	VPERM2I128 $0x31, Y13, Y9, Y1 \
	VMOVDQU Y1, ((first+5)*32)(SP) \
	VPERM2I128 $0x20, Y14, Y10, Y0 \
	VMOVDQU Y0, ((first+2)*32)(SP) \
	VPERM2I128 $0x31, Y14, Y10, Y1 \
	VMOVDQU Y1, ((first+6)*32)(SP) \
	VPERM2I128 $0x20, Y15, Y11, Y0 \
	VMOVDQU Y0, ((first+3)*32)(SP) \
	VPERM2I128 $0x31, Y15, Y11, Y1 \
	VMOVDQU Y1, ((first+7)*32)(SP)

// MIX ends a step whose function value is in Y4: a = b + rotl(a + Y4 + word + k, s).
#define MIX(a, b, word, k, s) \
	VPBROADCASTD (k*4)(R8), Y5 \
	VPADDD (word*32)(SP), Y5, Y5 \
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
	VPXOR Y6, d, Y4 \
	VPOR b, Y4, Y4 \
	VPXOR c, Y4, Y4 \
	MIX(a, b, word, k, s)

// func compress(state *[4][lanes]uint32, data *[lanes]*byte, blocks int, k *[64]uint32)
TEXT ·compress(SB), NOSPLIT, $512-32
	MOVQ state+0(FP), DI
	MOVQ data+8(FP), SI
	MOVQ blocks+16(FP), DX
	MOVQ k+24(FP), R8
	XORQ CX, CX

next:
	LOAD(0)
	TRANSPOSE(0)
	LOAD(32)
	TRANSPOSE(8)
	VMOVDQU 0(DI), Y0
	VMOVDQU 32(DI), Y1
	VMOVDQU 64(DI), Y2
	VMOVDQU 96(DI), Y3
	VPCMPEQD Y6, Y6, Y6

	F(Y0, Y1, Y2, Y3, 0, 0, 7)
	F(Y3, Y0, Y1, Y2, 1, 1, 12)
	F(Y2, Y3, Y0, Y1, 2, 2, 17)
	F(Y1, Y2, Y3, Y0, 3, 3, 22)
	F(Y0, Y1, Y2, Y3, 4, 4, 7)
	F(Y3, Y0, Y1, Y2, 5, 5, 12)
	F(Y2, Y3, Y0, Y1, 6, 6, 17)
	F(Y1, Y2, Y3, Y0, 7, 7, 22)
	F(Y0, Y1, Y2, Y3, 8, 8, 7)
	F(Y3, Y0, Y1, Y2, 9, 9, 12)
	F(Y2, Y3, Y0, Y1, 10, 10, 17)
	F(Y1, Y2, Y3, Y0, 11, 11, 22)
	F(Y0, Y1, Y2, Y3, 12, 12, 7)
	F(Y3, Y0, Y1, Y2, 13, 13, 12)
	F(Y2, Y3, Y0, Y1, 14, 14, 17)
	F(Y1, Y2, Y3, Y0, 15, 15, 22)

	G(Y0, Y1, Y2, Y3, 1, 16, 5)
	G(Y3, Y0, Y1, Y2, 6, 17, 9)
	G(Y2, Y3, Y0, Y1, 11, 18, 14)
	G(Y1, Y2, Y3, Y0, 0, 19, 20)
	G(Y0, Y1, Y2, Y3, 5, 20, 5)
	G(Y3, Y0, Y1, Y2, 10, 21, 9)
	G(Y2, Y3, Y0, Y1, 15, 22, 14)
	G(Y1, Y2, Y3, Y0, 4, 23, 20)
	G(Y0, Y1, Y2, Y3, 9, 24, 5)
	G(Y3, Y0, Y1, Y2, 14, 25, 9)
	G(Y2, Y3, Y0, Y1, 3, 26, 14)
	G(Y1, Y2, Y3, Y0, 8, 27, 20)
	G(Y0, Y1, Y2, Y3, 13, 28, 5)
	G(Y3, Y0, Y1, Y2, 2, 29, 9)
	G(Y2, Y3, Y0, Y1, 7, 30, 14)
	G(Y1, Y2, Y3, Y0, 12, 31, 20)

	H(Y0, Y1, Y2, Y3, 5, 32, 4)
	H(Y3, Y0, Y1, Y2, 8, 33, 11)
	H(Y2, Y3, Y0, Y1, 11, 34, 16)
	H(Y1, Y2, Y3, Y0, 14, 35, 23)
	H(Y0, Y1, Y2, Y3, 1, 36, 4)
	H(Y3, Y0, Y1, Y2, 4, 37, 11)
	H(Y2, Y3, Y0, Y1, 7, 38, 16)
	H(Y1, Y2, Y3, Y0, 10, 39, 23)
	H(Y0, Y1, Y2, Y3, 13, 40, 4)
	H(Y3, Y0, Y1, Y2, 0, 41, 11)
	H(Y2, Y3, Y0, Y1, 3, 42, 16)
	H(Y1, Y2, Y3, Y0, 6, 43, 23)
	H(Y0, Y1, Y2, Y3, 9, 44, 4)
	H(Y3, Y0, Y1, Y2, 12, 45, 11)
	H(Y2, Y3, Y0, Y1, 15, 46, 16)
	H(Y1, Y2, Y3, Y0, 2, 47, 23)

	I(Y0, Y1, Y2, Y3, 0, 48, 6)
	I(Y3, Y0, Y1, Y2, 7, 49, 10)
	I(Y2, Y3, Y0, Y1, 14, 50, 15)
	I(Y1, Y2, Y3, Y0, 5, 51, 21)
	I(Y0, Y1, Y2, Y3, 12, 52, 6)
	I(Y3, Y0, Y1, Y2, 3, 53, 10)
	I(Y2, Y3, Y0, Y1, 10, 54, 15)
	I(Y1, Y2, Y3, Y0, 1, 55, 21)
	I(Y0, Y1, Y2, Y3, 8, 56, 6)
	I(Y3, Y0, Y1, Y2, 15, 57, 10)
	I(Y2, Y3, Y0, Y1, 6, 58, 15)
	I(Y1, Y2, Y3, Y0, 13, 59, 21)
	I(Y0, Y1, Y2, Y3, 4, 60, 6)
	I(Y3, Y0, Y1, Y2, 11, 61, 10)
	I(Y2, Y3, Y0, Y1, 2, 62, 15)
	I(Y1, Y2, Y3, Y0, 9, 63, 21)

	VPADDD 0(DI), Y0, Y0
	VPADDD 32(DI), Y1, Y1
	VPADDD 64(DI), Y2, Y2
	VPADDD 96(DI), Y3, Y3
	VMOVDQU Y0, 0(DI)
	VMOVDQU Y1, 32(DI)
	VMOVDQU Y2, 64(DI)
	VMOVDQU Y3, 96(DI)
	ADDQ $64, CX
	DECQ DX
	JNZ  next
	VZEROUPPER
	RET
