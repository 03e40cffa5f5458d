import { serve } from './nft-helper.ts';

/** The entry of the helper. */
serve();
