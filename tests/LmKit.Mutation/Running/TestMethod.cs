namespace LmKit.Mutation;

/// <summary>A test method without any change on.</summary>
/// <param name="Name">Its class and name.</param>
/// <param name="Seconds">What all its cases took.</param>
/// <param name="Reached">Changes that it reaches.</param>
internal sealed record TestMethod(string Name, double Seconds, HashSet<int> Reached);
