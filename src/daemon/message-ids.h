/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * MESSAGE_ID= of every event worth acting on, each with an entry in units/p2pnet.catalog: what happened, why, what to
 * do. Behind each stand the journal fields that its entry may quote, so a line that carries the id carries them. Field
 * names have no digits: the catalog does not replace names with digits.
 *
 *      NODE_ID         ourselves               SEED            "host:port" as configured
 *      PEER_ID         another node            FILE            a path
 *      PEER_ADDRESS    where it is             REASON          why, a phrase or sentence
 *      GOSSIP_ID, GOSSIP_TOPIC                 a message
 *
 * Ids never change; a new one is made by systemd-id128 new.
 */

/* Process */
#define MESSAGE_ID_NODE_STARTED         "16d69ac12b774294b1062b3d7061202a"      /* NODE_ID */
#define MESSAGE_ID_NODE_STOPPED         "7edb7c99c3ec4e6889ec9fcba00c67f2"      /* NODE_ID */
#define MESSAGE_ID_CONFIG_LOADED        "b7c74822f38143cf88036acc2feb9991"
#define MESSAGE_ID_CONFIG_REFUSED       "6bc79cd4cb54475aa3c9e010dc588d7c"      /* REASON */
#define MESSAGE_ID_PORT_IN_USE          "ed5ad2c05edc4d118678d013a4019301"      /* REASON */
#define MESSAGE_ID_ADDRESS_AWAY         "95c0be72c9504b138045110ff8873b5c"      /* REASON */
#define MESSAGE_ID_NOT_STARTED          "ec422c52c96240b6875589bb7f5c9454"      /* REASON */
#define MESSAGE_ID_BUS_LOST             "d427aa2fdb4243f1b9a6df6e62c409bb"      /* REASON */
#define MESSAGE_ID_BUS_BACK             "c19b160ca558461db316ab141eb1b822"
#define MESSAGE_ID_CLOCK_JUMP           "55a8df645a644b10837241c2a4bf9151"      /* REASON */
/* Not said by a daemon but of one, by packaging/p2p-instances.in. */
#define MESSAGE_ID_UPGRADE_HELD         "0f421031bb1b46a7bf77e6e366585a8d"      /* REASON */

/* State on disk */
#define MESSAGE_ID_IDENTITY_NEW         "dd2fae1cf2c94f1eb5ed315de8801321"      /* NODE_ID REASON */
#define MESSAGE_ID_IDENTITY_DUPLICATE   "27c78d9c38db439bb926414dcf065b6a"      /* NODE_ID */
#define MESSAGE_ID_STATE_DAMAGED        "49776966fc4445659d92d540fe7cf69e"      /* FILE REASON */
#define MESSAGE_ID_STATE_NOT_WRITABLE   "bc41b36d29944f2fabfa1f6af7361221"      /* FILE REASON */
#define MESSAGE_ID_STATE_DENIED         "86a353b1a54247d0af6c5b6ee07117b8"      /* FILE */
#define MESSAGE_ID_SEED_ADDED           "232470715aaa4f27b6f4785050e31564"      /* FILE SEED */

/* The node and the network */
#define MESSAGE_ID_ONLINE               "1a1fc5a8c70943edbb60e6efd6815ba7"
#define MESSAGE_ID_ISOLATED             "71e59071a18648bc95e0e6954d9739e7"
#define MESSAGE_ID_EPOCH_RAISED         "a248b61da7814a07aade772c5fcebe40"      /* NODE_ID */
#define MESSAGE_ID_REFUTED              "29274487f4ee45459299520d80b3b1b5"      /* NODE_ID */
#define MESSAGE_ID_DUPLICATE_REFUSED    "8841b3bb502d4cd9ab8b78e050412193"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_NETWORK_MISMATCH     "6c56b8aff80b41e6a94a4c6bf6108277"      /* PEER_ADDRESS REASON */
#define MESSAGE_ID_VERSION_MISMATCH     "b201c72285ec4d629f793516816a7026"      /* PEER_ADDRESS REASON */
#define MESSAGE_ID_PROTOCOL_ERROR       "e97674283e5b4e479f9687b0cc9bb93b"      /* PEER_ADDRESS REASON */
#define MESSAGE_ID_SESSION_REFUSED      "9f26f6e0be60498396f33dc402c40e87"      /* PEER_ADDRESS REASON */

/* A peer and its seeds */
#define MESSAGE_ID_SEED_REGISTERED      "99e33d35cf784556acab10ee6ad99e13"      /* SEED */
#define MESSAGE_ID_SEED_LOST            "46e2ca3b277c4d368128f522c3c38ca3"      /* SEED REASON */
#define MESSAGE_ID_SEED_UNREACHABLE     "765a5ef999ef4a29b058afb3375f8255"      /* SEED REASON */

/* Links and members */
#define MESSAGE_ID_LINKED               "692ea6daa3344cc3ba35a69cc0c7e790"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_UNLINKED             "43713a5b9e804c6e9d5f95f8d0d7cd07"      /* PEER_ID PEER_ADDRESS REASON */
#define MESSAGE_ID_LINK_SLOW            "71d8c4ddfec64cbe882ec07589d318ce"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_PEER_SILENT          "33056f9570cf4ff6806ccbf70a09909a"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_MEMBER_JOINED        "61ebd020a1ab4cf3b9f8d4a72cf0c293"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_MEMBER_LEFT          "c77b6f33175042c28a649bab7d137873"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_MEMBER_SUSPECT       "fa7baf8d1f474a669cec6c223c9ad394"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_MEMBER_DEAD          "9daaae8ccf76489a9448879a7d0023e6"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_MEMBER_ALIVE         "a5f059d83dbc433ea6f050476d52ff68"      /* PEER_ID PEER_ADDRESS */

/* A seed and its peers */
#define MESSAGE_ID_PEER_REGISTERED      "0c8100d9a72d4f13af52fdde0899e6c5"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_LEASE_EXPIRED        "d86a5f7a96074eeb8c80dfc6fd2647f2"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_PEER_DEAD            "888e31bb03d14a3ba6387c877924f51e"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_REPORT_FALSE         "34866572c7ec4f8baa14ada2812fb1a2"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_REPORTER_IGNORED     "e6c28a323cc84ac0aab5ad56f326f9f8"      /* PEER_ID PEER_ADDRESS */
#define MESSAGE_ID_SEED_LINKED          "fe279030c1d84947a90c62d424ed824c"      /* SEED */
#define MESSAGE_ID_SEED_UNLINKED        "b9733eadd3704903818902c33098b84f"      /* SEED REASON */

/* Gossip */
#define MESSAGE_ID_GOSSIP               "40ddccf218ee4619bb3e2fefba8648ab"      /* GOSSIP_ID GOSSIP_TOPIC PEER_ID */
#define MESSAGE_ID_GOSSIP_GAP           "5d0e6a1c43f94f0d9a2f7c1be8d4073e"      /* PEER_ID */
#define MESSAGE_ID_GOSSIP_LOST          "03bc8aca269a44aa87ea06c32671a42f"      /* REASON */
