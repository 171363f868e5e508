// What the compression functions of this machine share. Each takes a block of MD5
// (RFC 1321) of several messages at once, one to each 32-bit element of its
// registers, and brings the steps F, G, H and I and the registers V0-V3.
//
// DI points to the work, CX is the offset of the block in the messages, DX the number
// of blocks left.

// LOAD takes 32 bytes of eight lanes from lane on, at off beyond the block's start.
#define LOAD(lane, off) \
	MOVQ (work_data+8*(lane+0))(DI), R9 \
	VMOVDQU off(R9)(CX*1), Y8 \
	MOVQ (work_data+8*(lane+1))(DI), R9 \
	VMOVDQU off(R9)(CX*1), Y9 \
	MOVQ (work_data+8*(lane+2))(DI), R9 \
	VMOVDQU off(R9)(CX*1), Y10 \
	MOVQ (work_data+8*(lane+3))(DI), R9 \
	VMOVDQU off(R9)(CX*1), Y11 \
	MOVQ (work_data+8*(lane+4))(DI), R9 \
	VMOVDQU off(R9)(CX*1), Y12 \
	MOVQ (work_data+8*(lane+5))(DI), R9 \
	VMOVDQU off(R9)(CX*1), Y13 \
	MOVQ (work_data+8*(lane+6))(DI), R9 \
	VMOVDQU off(R9)(CX*1), Y14 \
	MOVQ (work_data+8*(lane+7))(DI), R9 \
	VMOVDQU off(R9)(CX*1), Y15

// TRANSPOSE turns eight rows of words in Y8-Y15 into columns and stores them from
// word first on, for the lanes from lane on.
#define TRANSPOSE(lane, first) \
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
	VMOVDQU Y0, (work_words+64*(first+0)+4*(lane))(DI) \
	VPERM2I128 $0x31, Y12, Y8, Y1 \
	VMOVDQU Y1, (work_words+64*(first+4)+4*(lane))(DI) \
	VPERM2I128 $0x20, Y13, Y9, Y0 \
	VMOVDQU Y0, (work_words+64*(first+1)+4*(lane))(DI) \
	VPERM2I128 $0x31, Y13, Y9, Y1 \
	VMOVDQU Y1, (work_words+64*(first+5)+4*(lane))(DI) \
	VPERM2I128 $0x20, Y14, Y10, Y0 \
	VMOVDQU Y0, (work_words+64*(first+2)+4*(lane))(DI) \
	VPERM2I128 $0x31, Y14, Y10, Y1 \
	VMOVDQU Y1, (work_words+64*(first+6)+4*(lane))(DI) \
	VPERM2I128 $0x20, Y15, Y11, Y0 \
	VMOVDQU Y0, (work_words+64*(first+3)+4*(lane))(DI) \
	VPERM2I128 $0x31, Y15, Y11, Y1 \
	VMOVDQU Y1, (work_words+64*(first+7)+4*(lane))(DI)

// START fetches the arguments.
#define START \
	MOVQ w+0(FP), DI \
	MOVQ blocks+8(FP), DX \
	XORQ CX, CX

// NEXT moves on to the next block.
#define NEXT \
	ADDQ $64, CX \
	DECQ DX

// STEPS are the 64 steps of RFC 1321, section 3.4, in fours that have a, b, c and d
// each take their turn: the words of the block and the number of the first constant.
#define STEPS \
	F4(0, 1, 2, 3, 0) \
	F4(4, 5, 6, 7, 4) \
	F4(8, 9, 10, 11, 8) \
	F4(12, 13, 14, 15, 12) \
	G4(1, 6, 11, 0, 16) \
	G4(5, 10, 15, 4, 20) \
	G4(9, 14, 3, 8, 24) \
	G4(13, 2, 7, 12, 28) \
	H4(5, 8, 11, 14, 32) \
	H4(1, 4, 7, 10, 36) \
	H4(13, 0, 3, 6, 40) \
	H4(9, 12, 15, 2, 44) \
	I4(0, 7, 14, 5, 48) \
	I4(12, 3, 10, 1, 52) \
	I4(8, 15, 6, 13, 56) \
	I4(4, 11, 2, 9, 60)
