namespace LmKit;

/// <summary>The types of Thrift's compact protocol, by their numbers in it.</summary>
internal enum ThriftType
{
    /// <summary>Ends a struct.</summary>
    Stop,

    /// <summary>A field that is true.</summary>
    True,

    /// <summary>A field that is false.</summary>
    False,

    /// <summary>8 bits.</summary>
    Byte,

    /// <summary>16 bits.</summary>
    Int16,

    /// <summary>32 bits.</summary>
    Int32,

    /// <summary>64 bits.</summary>
    Int64,

    /// <summary>A floating number of 64 bits.</summary>
    Double,

    /// <summary>Bytes or a text.</summary>
    Binary,

    /// <summary>A list.</summary>
    List,

    /// <summary>A set.</summary>
    Set,

    /// <summary>A map.</summary>
    Map,

    /// <summary>Fields up to a stop.</summary>
    Struct,
}
