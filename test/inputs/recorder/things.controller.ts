import { Body, Controller, Get, Param, ParseIntPipe, Post, Query } from '@nestjs/common';

/** Its handlers read only route parameters, query and body, which every default key holds. */
@Controller('things')
export class ThingsController {
  @Get(':id')
  get(@Param('id', ParseIntPipe) id: number, @Query('q') q?: string): object {
    // Long enough to be compressed.
    return { id, q, text: 'x'.repeat(4_000) };
  }

  @Post()
  create(@Body() body: object): object {
    return body;
  }
}
