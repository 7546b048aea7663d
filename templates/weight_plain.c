/* weight_plain.c -- template: a tile's share of a weight gradient as simple loops, dw[o][i] += sum
 * of y[o][s] x[i][s]. Compiles on its own with the default contents of its holes. */
#include "scalar.h"
enum { BT = 48 };
/*[*/
static void /*{name*/weight/*}*/(int first, int live,
    real y[restrict /*{rows*/8/*}*/][BT], real x[restrict /*{columns*/80/*}*/][BT],
    real dw[restrict /*{rows*/8/*}*/][/*{stride*/80/*}*/])
{
    for (int o = 0; o < /*{rows*/8/*}*/; o++)
        for (int i = 0; i < /*{columns*/80/*}*/; i++) {
            real sum = first ? 0 : dw[o][i];
            for (int s = 0; s < live; s++)
                sum += y[o][s] * x[i][s];
            dw[o][i] = sum;
        }
}
/*]*/
void weight_test(real y[8][BT], real x[80][BT], real dw[8][80]);
void weight_test(real y[8][BT], real x[80][BT], real dw[8][80])
{
    weight(1, BT, y, x, dw);
}
